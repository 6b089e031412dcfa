"""Pictures of the demo shop's products: drawn, the same bytes on every call, and uploaded as a shop would."""
