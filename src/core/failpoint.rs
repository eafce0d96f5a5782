//! Named points at which a test may kill the process.
//!
//! Compiled in only with the feature `failpoints`. The environment variable `DOVVYBUDDY_FAILPOINT`
//! names a point and on which passage it kills: `accepted:3` aborts the third time that point is
//! reached. An abort is what a power cut or the kernel's out-of-memory killer leaves behind.

/// Aborts the process if the environment asks for it here.
#[cfg(feature = "failpoints")]
pub fn reached(point: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static PLAN: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);

    let plan = PLAN.get_or_init(|| {
        let plan = std::env::var("DOVVYBUDDY_FAILPOINT").ok()?;
        let (point, count) = plan.split_once(':').unwrap_or((&plan, "1"));
        Some((point.to_owned(), count.parse().unwrap_or(1)))
    });
    if let Some((planned, count)) = plan
        && planned == point
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count
    {
        // The marker proves to the test that the fault fired where it was meant to.
        eprintln!("failpoint {point} fired");
        std::process::abort();
    }
}

/// Does nothing without the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub const fn reached(_point: &str) {}

/// The points of a turn, in the order they are passed.
pub const POINTS: [&str; 7] =
    ["accepted", "emergency_stored", "claimed", "answered", "finished", "part_started", "part_sent"];
