//! Tree → policy: includes, names, services and `def`s become sets; every item keeps its span.

pub mod policy;

pub use policy::Policy;
