//! `wasi:cli/environment`, 0.2 and 0.3: variables and arguments straight from the grants.

use crate::report::Ambient;
use crate::{Grants, RequestId};
use wasmtime::component::HasData;
use wasmtime_wasi::p2::bindings::cli::environment as p2;
use wasmtime_wasi::p3::bindings::cli::environment as p3;

pub(crate) struct HasEnvironment;

impl HasData for HasEnvironment {
    type Data<'a> = Environment<'a>;
}

pub(crate) struct Environment<'a> {
    pub(crate) grants: &'a Grants,
    pub(crate) request: RequestId,
    /// Whether it asks from within another component.
    pub(crate) linked: bool,
}

impl Environment<'_> {
    fn variables(&self) -> Vec<(String, String)> {
        if self.linked && self.grants.env.is_empty() {
            self.grants.report.asked(self.request, Ambient::Environment);
        }
        self.grants.env.clone()
    }
}

impl p2::Host for Environment<'_> {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.variables())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.grants.args.clone())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl p3::Host for Environment<'_> {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.variables())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.grants.args.clone())
    }

    fn get_initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}
