"""What a person does, one file each: from a face to the store and the engine and back. Never a widget, never SQL."""
