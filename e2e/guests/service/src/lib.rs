//! Nothing is shared: each example stands alone, as a first program of a user would.
