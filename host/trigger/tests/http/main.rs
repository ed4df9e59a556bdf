//! Clients that are silent, slow or many, as bytes on sockets: what the server does with them. What it is called for is in `support`.

mod full;
mod many;
mod silent;
mod slow;
mod stop;
mod support;
