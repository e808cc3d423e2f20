"""Long work as jobs: started apart from the server, looked after by anybody who reads their folders."""
