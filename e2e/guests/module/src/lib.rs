//! Nothing is shared: commands are plain programs of the standard library.
