//! Guests that call each other; one file each in `examples`.
