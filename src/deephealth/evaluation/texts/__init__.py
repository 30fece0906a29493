"""What the report says, by part of the page, in English and Spanish side by side."""
