//! The make-believe portal's traps, tried over HTTP as an application meets them.

mod app;
mod lifecycle;
mod open_lines;
mod pages;
mod rest;
mod robots;
