//! Use cases. (The files beside this one are joined as soon as `storage` has landed; their signatures stand.)
