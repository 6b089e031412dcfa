"""The copy of the shop's products: storing, finding and importing them. No link or click lives here."""
