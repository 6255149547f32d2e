//! What a gigabyte costs, by region and charge.

use crate::model::{Charge, Price};

/// The prices of one source. A charge without a price keeps its bytes and costs nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prices([Option<Price>; Charge::ALL.len()]);

impl Prices {
    /// The price of a charge.
    pub fn get(&self, charge: Charge) -> Option<Price> {
        self.0[charge as usize]
    }

    /// Sets the price of a charge.
    pub fn set(&mut self, charge: Charge, price: Option<Price>) {
        self.0[charge as usize] = price;
    }
}
