//! Whether a fault would be found.
