"""Who answers: the models that are compared, the engine that is chosen, a pool of actors, a chat."""
