"""The networks: generator and critic, recognition network, and readers of published weights."""
