//! The shop's front: reads orders, writes bills, numbers them. What there is and what it costs, two other components know.

use self::example::shop::catalog;
use self::example::shop::prices::{self, Bill, Wish};
use self::shoal::service::kv_store;

wit_bindgen::generate!({ path: ["../../../wit", "../wit", "wit"], world: "example:web/web", generate_all });

struct Web;

impl Guest for Web {
    /// `req` is an order such as `2 kelp, 1 pearl`, or the path where a request has no body.
    fn handle_request(req: String) -> String {
        match req.trim() {
            "/" => goods(),
            "/about" => about(),
            path if path.starts_with('/') => format!("There is nothing at {path}.\n"),
            order => match read(order).and_then(|wishes| prices::charge(&wishes)) {
                Ok(bill) => write(number(), &bill),
                Err(why) => format!("No order: {why}.\n"),
            },
        }
    }
}

fn goods() -> String {
    let items = catalog::items();
    items
        .iter()
        .map(|it| format!("{:<16}{:>8}\n", it.name, money(it.cents)))
        .collect()
}

fn about() -> String {
    format!(
        "web: Rust\nprices: {}\ncatalog: {}\n",
        prices::language(),
        catalog::language()
    )
}

fn read(order: &str) -> Result<Vec<Wish>, String> {
    let wish = |text: &str| {
        let (count, name) = text.trim().split_once(' ').ok_or("write it as 2 kelp, 1 pearl")?;
        let count = count
            .parse()
            .map_err(|_| format!("{count} is no number of things"))?;
        Ok(Wish {
            name: name.trim().to_owned(),
            count,
        })
    };
    order.split(',').map(wish).collect()
}

/// Bills are numbered, in the only store that the shop has.
fn number() -> u64 {
    let number = kv_store::get("orders")
        .and_then(|it| it.parse().ok())
        .unwrap_or(0u64)
        + 1;
    kv_store::set("orders", &number.to_string());
    number
}

fn write(number: u64, bill: &Bill) -> String {
    let mut text = format!("Order {number}\n");
    for line in &bill.lines {
        text += &format!("{:>3} {:<12}{:>8}\n", line.count, line.name, money(line.cents));
    }
    if bill.discount > 0 {
        text += &format!(
            "    {:<12}{:>8}\n",
            "discount",
            format!("-{}", money(bill.discount))
        );
    }
    text + &format!("    {:<12}{:>8}\n", "total", money(bill.total))
}

fn money(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

export!(Web);
