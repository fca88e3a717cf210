//! Security keys and passkeys (Web Authentication Level 3).
//!
//! Always true: a proof is made only after the library checked the assertion against
//! the *stored* challenge and we checked what it leaves to us: the origin's very bytes,
//! the person, the counter, the policy.
