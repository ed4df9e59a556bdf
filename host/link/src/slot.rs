//! The place where a link leads. It is bound once into every linker that uses it, and can be pointed elsewhere while calls go on: each
//! call goes where the slot pointed when it began.

use crate::{Answer, Call, CallError, CallFailure, Target};
use arc_swap::ArcSwapOption;
use std::fmt;
use std::sync::Arc;

/// A link to an interface of another service.
pub struct Slot {
    service: String,
    target: ArcSwapOption<Arc<dyn Target>>,
}

impl Slot {
    /// A link to a service, which leads nowhere yet.
    pub fn new(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            target: ArcSwapOption::empty(),
        }
    }

    /// The service that it leads to.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Leads every call from now on to `target`; calls that are under way end where they are.
    pub fn point(&self, target: Option<Arc<dyn Target>>) {
        self.target.store(target.map(Arc::new));
    }

    /// Whether it leads anywhere.
    pub fn is_bound(&self) -> bool {
        self.target.load().is_some()
    }

    /// Calls whoever it leads to now.
    pub(crate) fn call(self: Arc<Self>, call: Call<'_>) -> Answer<'_> {
        Box::pin(async move {
            let target = self.target.load_full();
            match target {
                Some(target) => target.call(call).await,
                None => Err(CallError {
                    service: self.service.clone(),
                    interface: call.interface.to_owned(),
                    function: call.function.to_owned(),
                    reason: CallFailure::NoService,
                }),
            }
        })
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("service", &self.service)
            .field("bound", &self.is_bound())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use shoal_capability::CallContext;
    use wasmtime::component::Val;

    struct Says(u32);

    impl Target for Says {
        fn call<'a>(&'a self, _: Call<'a>) -> Answer<'a> {
            Box::pin(async move { Ok(Some(Val::U32(self.0))) })
        }
    }

    fn ask(slot: &Arc<Slot>) -> Result<Option<Val>, CallError> {
        let call = Call {
            interface: "a:b/c",
            function: "f",
            params: &[],
            context: CallContext::default(),
        };
        Arc::clone(slot).call(call).now_or_never().expect("nobody waits")
    }

    #[test]
    fn calls_go_where_the_slot_points_now() {
        let slot = Arc::new(Slot::new("audit"));
        let nowhere = ask(&slot).expect_err("unbound").to_string();
        assert_eq!(
            nowhere,
            "service audit: a:b/c#f: no service of this name runs here"
        );
        for said in [1, 2] {
            slot.point(Some(Arc::new(Says(said))));
            assert_eq!(ask(&slot), Ok(Some(Val::U32(said))));
        }
        slot.point(None);
        assert!(ask(&slot).is_err() && !slot.is_bound());
    }
}
