"""Is this number real? Each doubt is one pure answer: leaks, controls, ceilings, selection, choices, generalisation."""
