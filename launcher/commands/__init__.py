"""The commands that look at or prepare one thing: chat, fetch, plan, jobs."""
