"""What hps train does between its flags and the loop: which run, the plan, the people, the processes."""
