//! The locks and atomics that the broker uses, in one place so that the model checker can replace them.
//!
//! With the `shuttle` feature every one of these becomes a point at which shuttle may switch threads; the tests
//! in `tests/shuttle.rs` run the product's own outbox and table that way.

#[cfg(not(feature = "shuttle"))]
pub use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
#[cfg(feature = "shuttle")]
pub use shuttle_parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};

#[cfg(feature = "shuttle")]
pub use shuttle::sync::atomic;
#[cfg(not(feature = "shuttle"))]
pub use std::sync::atomic;
