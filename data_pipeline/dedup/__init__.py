"""What of one row is compared: keys and signatures. The joins over all rows are in database/."""
