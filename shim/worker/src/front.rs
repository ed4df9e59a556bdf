//! The components of a pod that answer together, by path. Each of them listens on the pod's port, as a container that starts or ends
//! must not wait for another; whoever accepts a connection passes its requests to whomever they are for. How a path is matched is
//! `shoal-trigger`'s.

use shoal_api::HttpTrigger;
use shoal_protocol::Task;
use shoal_service::http::{Handler, Request, Responding, Routes, Target, text};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

/// The fronts of a worker's pods, by the pod's id.
#[derive(Default)]
pub(crate) struct Fronts(Mutex<HashMap<String, Weak<Front>>>);

/// Who answers in a pod, by the component's name.
#[derive(Default)]
struct Front(RwLock<BTreeMap<String, Arc<dyn Handler>>>);

/// A component's place in its pod's front: it is free again when this is dropped.
pub(crate) struct Place {
    front: Arc<Front>,
    component: String,
}

/// Whoever is at that place when a request comes.
struct Turn {
    front: Arc<Front>,
    component: String,
}

impl Fronts {
    /// The routes for the listener of `task`, whose own requests `handler` answers.
    pub(crate) fn routes(&self, task: &Task, handler: Arc<dyn Handler>) -> (Routes, Option<Place>) {
        let Some(routes) = &task.front else {
            return (Routes::all(handler), None);
        };
        let front = {
            let mut fronts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            fronts.retain(|_, front| front.strong_count() > 0);
            let known = fronts.get(&task.sandbox).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let front = Arc::new(Front::default());
                fronts.insert(task.sandbox.clone(), Arc::downgrade(&front));
                front
            })
        };
        let component = task.component.name.clone();
        front
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(component.clone(), handler);
        let routes = Routes::new(routes.iter().enumerate().filter_map(|(at, (path, component))| {
            let trigger = task.http.get(at).cloned().unwrap_or_else(|| HttpTrigger {
                path: path.clone(),
                ..HttpTrigger::default()
            });
            let turn = Turn {
                front: Arc::clone(&front),
                component: component.clone(),
            };
            match Target::of(&trigger, Arc::new(turn)) {
                Ok(target) => Some(target),
                // The API server refuses it, but a pod can be written by hand.
                Err(error) => {
                    tracing::warn!(component, "no request is routed to {path:?}, which {error}");
                    None
                }
            }
        }));
        (routes, Some(Place { front, component }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut front = self.front.0.write().unwrap_or_else(PoisonError::into_inner);
        front.remove(&self.component);
    }
}

impl Handler for Turn {
    fn handle(&self, request: Request) -> Responding {
        let front = self.front.0.read().unwrap_or_else(PoisonError::into_inner);
        match front.get(&self.component) {
            Some(handler) => handler.handle(request),
            None => {
                let reason = format!("the component {} of this pod does not run\n", self.component);
                Box::pin(async move { text(http::StatusCode::SERVICE_UNAVAILABLE, reason) })
            }
        }
    }
}
