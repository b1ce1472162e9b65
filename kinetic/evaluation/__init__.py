"""What is compared with what, its scores beside their floor, and reports of them."""
