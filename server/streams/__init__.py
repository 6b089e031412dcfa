"""What every domain fed by a stream shares: dead letters, and how far the streams are drained."""
