"""What models run on: processors, threads and devices, and how much of them is ours."""
