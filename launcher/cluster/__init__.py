"""What runs inside a job, or readies it: Ray, the allocation, the job script, the copied code."""
