"""The inside of `workers.confined`: the server that forks processes, and what each may do."""
