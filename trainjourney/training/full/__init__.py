"""Training of the full model on rides: base weights, stages, few steps, export."""
