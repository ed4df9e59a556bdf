//! Answers the request in capitals and imports nothing for it: a my-service that needs no grant.

wit_bindgen::generate!({ path: "../../../wit", world: "my-service" });

struct Plain;

impl Guest for Plain {
    fn handle_request(req: String) -> String {
        req.to_uppercase()
    }
}

export!(Plain);
