"""What other apps and earlier exports hold, as records. Pure: bytes in, records out; never touches the disk."""
