//! Traps on the request "trap"; echoes any other, so that a test sees the service go on.

wit_bindgen::generate!({ path: "../../../wit", world: "my-service" });

struct Trap;

impl Guest for Trap {
    fn handle_request(req: String) -> String {
        if req == "trap" {
            core::arch::wasm32::unreachable();
        }
        req
    }
}

export!(Trap);
