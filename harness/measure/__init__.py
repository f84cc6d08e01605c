"""Whatever holds a clock or a scale: latency, load, storage and the machine."""
