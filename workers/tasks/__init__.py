"""What runs each task, and when it runs by itself. The tasks themselves and their rules are the domains'."""
