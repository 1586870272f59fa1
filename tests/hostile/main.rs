//! Texts, files and machines that mean no good: the program answers, loses no file, and stays in its
//! folder.

#[path = "../cli/run.rs"]
mod run;

mod texts;

mod faults;

mod root;
