"""Charts, film strips, animations and the page on which motions play."""
