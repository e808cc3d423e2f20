"""The pages made from stored results: what each says, gathered for its template."""
