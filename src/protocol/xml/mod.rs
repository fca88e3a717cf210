//! The bounded XML reader.
