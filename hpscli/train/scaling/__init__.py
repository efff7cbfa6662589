"""Many processes, machines and jobs: started, watched and stopped together."""
