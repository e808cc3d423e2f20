"""The cleaning report as a page."""


def cleaning_page(report):
    return str(report)
