"""Every figure in one place: give a result, get a matplotlib figure back."""

from crimepatterns.visuals.importance import dependence_figure, importance_figure
from crimepatterns.visuals.static_cards import card_sheet
from crimepatterns.visuals.static_clusters import cluster_map
from crimepatterns.visuals.static_concentration import concentration_curve, j_curve
from crimepatterns.visuals.static_context import covariate_map
from crimepatterns.visuals.static_intervals import areas_chart, coverage_chart
from crimepatterns.visuals.static_maps import forecast_map, harm_map, hot_spot_map, significance_map
from crimepatterns.visuals.static_patterns import chains_map, change_map, kinds_map, repeat_table
from crimepatterns.visuals.static_relative import alike_map, density_ratio_map, rates_map
from crimepatterns.visuals.static_rhythm import rhythm_before_and_after, shift_calendar
from crimepatterns.visuals.static_scan import scan_map
from crimepatterns.visuals.static_scores import calibration_plot, hit_rate_curve, scoreboard
from crimepatterns.visuals.static_season import season_trend_chart, shift_table
from crimepatterns.visuals.static_self_exciting import followers_chart
from crimepatterns.visuals.static_streets import hot_streets_map, street_density_map
from crimepatterns.visuals.static_times import hour_weekday_map, seasonality, trend
from crimepatterns.visuals.static_usual import usual_chart

__all__ = [
    "alike_map",
    "areas_chart",
    "calibration_plot",
    "card_sheet",
    "chains_map",
    "change_map",
    "cluster_map",
    "concentration_curve",
    "covariate_map",
    "coverage_chart",
    "density_ratio_map",
    "dependence_figure",
    "followers_chart",
    "forecast_map",
    "harm_map",
    "hit_rate_curve",
    "hot_spot_map",
    "hot_streets_map",
    "hour_weekday_map",
    "importance_figure",
    "j_curve",
    "kinds_map",
    "rates_map",
    "repeat_table",
    "rhythm_before_and_after",
    "scan_map",
    "scoreboard",
    "season_trend_chart",
    "seasonality",
    "shift_calendar",
    "shift_table",
    "significance_map",
    "street_density_map",
    "trend",
    "usual_chart",
]
