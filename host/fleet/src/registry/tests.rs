//! What a change touches: counted with services that note what is asked of them.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// A service that notes where its links lead.
#[derive(Default)]
struct Fake {
    id: Option<ServiceId>,
    wants: Vec<(ServiceId, String)>,
    offers: Vec<String>,
    version: usize,
    /// Times that links were looked up, by all services of a test.
    lookups: Arc<AtomicUsize>,
    /// The version of the provider that each link leads to.
    leads: Mutex<HashMap<ServiceId, usize>>,
}

struct Lead(Arc<Fake>, ServiceId, usize);

impl Fake {
    fn leads_to(&self, name: &str) -> Option<usize> {
        let leads = self.leads.lock().unwrap_or_else(PoisonError::into_inner);
        leads.get(&id(name)).copied()
    }
}

impl Node for Arc<Fake> {
    type Lead = Lead;
    type Error = String;

    fn id(&self) -> &ServiceId {
        self.id.as_ref().unwrap()
    }

    fn wants(&self) -> Vec<(ServiceId, String)> {
        self.wants.clone()
    }

    fn resolve(&self, provider: &Self) -> Result<Vec<Lead>, Vec<String>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        let wanted = self.wants.iter().filter(|(id, _)| id == provider.id());
        let lacks: Vec<_> = wanted
            .filter(|(_, interface)| !provider.offers.contains(interface))
            .map(|(id, interface)| format!("{}: {} exports no {interface}", self.id(), id))
            .collect();
        match lacks.is_empty() {
            true => Ok(vec![Lead(
                Arc::clone(self),
                provider.id().clone(),
                provider.version,
            )]),
            false => Err(lacks),
        }
    }

    fn without(&self, provider: &ServiceId, here: &[String]) -> Vec<String> {
        vec![format!("{}: no {provider} among {}", self.id(), here.join(" "))]
    }

    fn unlink(&self, provider: &ServiceId) {
        self.leads.lock().unwrap().remove(provider);
    }

    fn establish(Lead(from, to, version): Lead) {
        from.leads.lock().unwrap().insert(to, version);
    }
}

fn id(name: &str) -> ServiceId {
    ServiceId::new("shop", name)
}

/// A registry and the count of its lookups.
#[derive(Default)]
struct Bench {
    registry: Registry<Arc<Fake>>,
    lookups: Arc<AtomicUsize>,
}

impl Bench {
    fn fake(&self, name: &str, version: usize, wants: &[&str], offers: &[&str]) -> Arc<Fake> {
        Arc::new(Fake {
            id: Some(id(name)),
            wants: wants.iter().map(|it| (id(it), "a:b/c".to_owned())).collect(),
            offers: offers.iter().map(|it| (*it).to_owned()).collect(),
            version,
            lookups: Arc::clone(&self.lookups),
            leads: Mutex::default(),
        })
    }

    fn put(&mut self, fake: &Arc<Fake>) -> Result<(), Vec<String>> {
        self.registry.put(vec![Arc::new(Arc::clone(fake))])
    }

    /// The lookups since this was last asked.
    fn looked_up(&self) -> usize {
        self.lookups.swap(0, Ordering::Relaxed)
    }
}

#[test]
fn a_change_looks_at_the_service_and_its_dependents_alone() {
    let mut bench = Bench::default();
    let audit = bench.fake("audit", 1, &[], &["a:b/c"]);
    bench.put(&audit).unwrap();
    let callers = ["one", "two"].map(|name| bench.fake(name, 1, &["audit"], &[]));
    for caller in &callers {
        bench.put(caller).unwrap();
    }
    // Many more, each linked to another provider.
    let other = bench.fake("other", 1, &[], &["a:b/c"]);
    bench.put(&other).unwrap();
    for n in 0..1000 {
        bench
            .put(&bench.fake(&format!("x{n}"), 1, &["other"], &[]))
            .unwrap();
    }
    bench.looked_up();

    bench.put(&bench.fake("new", 1, &["audit"], &[])).unwrap();
    assert_eq!(bench.looked_up(), 1, "its own link");
    bench.put(&bench.fake("audit", 2, &[], &["a:b/c"])).unwrap();
    assert_eq!(bench.looked_up(), 3, "those of its three dependents");
    assert!(callers.iter().all(|it| it.leads_to("audit") == Some(2)));
    bench.put(&bench.fake("alone", 1, &[], &[])).unwrap();
    bench.registry.take(&id("alone")).unwrap();
    assert_eq!(bench.looked_up(), 0);
    let (_, errors) = bench.registry.take(&id("audit")).unwrap();
    assert_eq!((bench.looked_up(), errors.len()), (0, 3));
    assert!(callers.iter().all(|it| it.leads_to("audit").is_none()));
}

#[test]
fn a_withdrawn_provider_can_come_back_and_its_dependents_find_it() {
    let mut bench = Bench::default();
    bench.put(&bench.fake("audit", 1, &[], &["a:b/c"])).unwrap();
    let caller = bench.fake("caller", 1, &["audit"], &[]);
    bench.put(&caller).unwrap();
    let (_, errors) = bench.registry.take(&id("audit")).unwrap();
    assert_eq!(errors, ["shop/caller: no shop/audit among caller"]);
    // A change of another service is none of its business.
    bench.put(&bench.fake("unrelated", 1, &[], &[])).unwrap();
    assert_eq!(caller.leads_to("audit"), None);
    bench.put(&bench.fake("audit", 2, &[], &["a:b/c"])).unwrap();
    assert_eq!(caller.leads_to("audit"), Some(2));
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let mut bench = Bench::default();
    bench.put(&bench.fake("audit", 1, &[], &["a:b/c"])).unwrap();
    let caller = bench.fake("caller", 1, &["audit"], &[]);
    bench.put(&caller).unwrap();
    let errors = bench.put(&bench.fake("audit", 2, &["caller"], &[])).unwrap_err();
    assert_eq!(
        errors,
        [
            "shop/audit: shop/caller exports no a:b/c",
            "shop/caller: shop/audit exports no a:b/c"
        ]
    );
    assert_eq!(caller.leads_to("audit"), Some(1));
    assert!(bench.registry.dependents(&id("caller")).is_empty());
    let missing = bench.put(&bench.fake("third", 1, &["nobody"], &[])).unwrap_err();
    assert_eq!(missing, ["shop/third: no shop/nobody among audit caller third"]);
    assert!(!bench.registry.contains(&id("third")));
}

#[test]
fn services_that_are_linked_in_a_circle_come_together() {
    let mut bench = Bench::default();
    let one = bench.fake("one", 1, &["two"], &["a:b/c"]);
    let two = bench.fake("two", 1, &["one", "two"], &["a:b/c"]);
    assert!(bench.put(&one).is_err());
    let both = [&one, &two].map(|it| Arc::new(Arc::clone(it)));
    bench.registry.put(both.to_vec()).unwrap();
    assert_eq!((one.leads_to("two"), two.leads_to("one")), (Some(1), Some(1)));
    assert_eq!(two.leads_to("two"), Some(1));
}

#[test]
fn a_version_that_wants_less_is_no_dependent_any_more() {
    let mut bench = Bench::default();
    bench.put(&bench.fake("audit", 1, &[], &["a:b/c"])).unwrap();
    bench.put(&bench.fake("caller", 1, &["audit"], &[])).unwrap();
    assert_eq!(bench.registry.dependents(&id("audit")).len(), 1);
    bench.put(&bench.fake("caller", 2, &[], &[])).unwrap();
    assert!(bench.registry.dependents(&id("audit")).is_empty());
    let (_, errors) = bench.registry.take(&id("audit")).unwrap();
    assert!(errors.is_empty(), "{errors:?}");
}
