//! A my-service that answers with a string as long as it can make it: it doubles until its memory is full, so the memory limit
//! must stop it, or the responseBody limit what it returns. The request says how many MiB are enough (1,024 unless told).

wit_bindgen::generate!({ path: "../../../wit", world: "my-service" });

struct Huge;

impl Guest for Huge {
    fn handle_request(req: String) -> String {
        let enough = req.trim().parse().unwrap_or(1024) << 20;
        let mut text = vec![b'x'; 1 << 20];
        while text.len() < enough && text.try_reserve_exact(text.len()).is_ok() {
            text.extend_from_within(..);
        }
        String::from_utf8(text).unwrap()
    }
}

export!(Huge);
