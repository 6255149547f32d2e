//! What a gigabyte costs, by region and charge.
