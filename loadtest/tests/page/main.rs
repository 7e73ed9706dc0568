//! The HTML page: that it is whole, that it hides nothing, and that what is drawn is where the figures say.
#![cfg(test)]

mod escapes;
mod fixtures;
mod places;
mod whole;
