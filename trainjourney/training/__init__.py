"""Training: teaches a model on scenery or rides and exports it to a bundle. Never imported
by the show."""
