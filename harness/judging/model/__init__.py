"""A language model as a judge: asked within a budget, tried on what people judged, marked as a model."""
