//! Rows of the list of attacks that cut across the modules: what a hostile message may
//! cost, short keys, clocks, names, pages.

mod budget;
mod clocks;
mod keys;
mod names;
mod pages;
