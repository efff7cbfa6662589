"""The forms in which other code keeps people: written from people, one module a form."""
