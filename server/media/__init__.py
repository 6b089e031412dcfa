"""Pictures: uploads straight into the object store, verification, variants, sweeps."""
