"""The scheduler process: promotes due jobs, takes back abandoned ones, fires schedules, wakes workers."""
