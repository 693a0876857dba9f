import click
@click.command()
def replay(): pass
@click.command()
def demo(): pass
