"""Figures as SVG and PNG, and the colours of the page."""
